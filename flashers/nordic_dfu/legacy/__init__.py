"""The legacy protocol: start, init packet, image, validation, activation."""
