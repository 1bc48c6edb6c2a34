"""What an administrator types. Every command reads its settings from the environment, as the app does."""
