"""The tap: stands between any client and its server, passes every byte on, and shows every event.

``forward`` runs in a process of its own and passes bytes on; ``report`` carries copies of them to the console;
``reading`` finds the messages in them; ``rebuild`` and ``tapped`` make a session model of each connection; ``tap`` holds
all of them; ``lines`` prints them without a screen.

Thread: see each module.
"""
