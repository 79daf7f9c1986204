"""Who may ask for what, and where answers may go."""
