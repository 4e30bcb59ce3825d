"""UART links: local ports, sockets, RFC 2217 servers, and several nodes on one bus."""
