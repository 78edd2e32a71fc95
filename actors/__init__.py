"""Ray actors, thin: what they host is in t2t_dist and environments."""
