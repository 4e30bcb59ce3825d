"""What answers a node that pulls its image: statelessly by offset, paced by what the channel confirms."""
