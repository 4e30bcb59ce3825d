"""A virtual Zigbee node that updates itself as real ones do; with the flasher it shares the codec alone."""
