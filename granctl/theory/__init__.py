"""The paper's theory, run: its data model, its two-layer network, and what is measured of them."""
