"""Carries out plans under an undo journal."""
