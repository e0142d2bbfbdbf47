"""Code made out of the published schema; see tools/generate_models.py."""
