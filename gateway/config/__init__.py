"""The gateway's configuration: where each value is from, and what is wrong with it.

Importing this package costs nothing: commands look only for the socket, and want to be quick.
"""
