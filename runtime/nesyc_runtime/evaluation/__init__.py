"""What is measured on an item, and how sure a figure is."""
