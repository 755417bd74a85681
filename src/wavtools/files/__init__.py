"""How audio files store samples: containers, encodings, and the formats that other libraries decode.

Thread: any.
"""
