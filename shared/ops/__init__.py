"""What an administrator does with pairs."""
