"""The console as a web page: a browser is microphone, loudspeaker and inspector; client, tools and key stay in Python.

Thread: any.
"""
