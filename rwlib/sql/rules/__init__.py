"""What the checker holds definitions against: one module for each kind of rule."""
