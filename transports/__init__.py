"""Links: what the media offer (bytes, GATT, Zigbee), and their virtual twins."""
