"""What is meant to be fast, measured as ratios against bare loops in the same run."""
