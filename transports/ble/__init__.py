"""BLE: nodes behind a radio, over BlueZ or over any controller that speaks HCI."""
