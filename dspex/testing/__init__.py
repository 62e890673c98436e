"""Tools for tests of programs, and of dspex itself; library code never imports them."""
