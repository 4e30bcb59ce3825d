"""Zigbee nodes as the service sees them: networks kept open, sleepy nodes waited for, requests answered."""
