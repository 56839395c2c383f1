"""From partners' feeds to the denylist topic: pull, check, write the difference in parts."""
