"""What is needed before an area is mapped: its polygon, its images, its tiles, and each as a scene."""
