"""What the doctor looks at, a module each; every check takes the ground and gives what it found."""
