"""Sites where zigbee2mqtt owns the coordinator: Tender is a guest there, and asks it over MQTT."""
