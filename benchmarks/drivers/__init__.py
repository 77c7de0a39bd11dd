"""What drivers add to a card, and what they cost while nothing happens."""
