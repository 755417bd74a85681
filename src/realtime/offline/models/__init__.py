"""What hears and speaks behind the offline server: interfaces, their models, stand-ins, worker processes."""
