"""A second face for those who know zigbee2mqtt's topics: OTA requests, the ``update`` state, raw frames."""
