"""What the product needs of the world: Protocols and nothing else."""
