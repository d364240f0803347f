"""What the other frames of a movie know of one: a registered mean of them, and how sure it is.

A movie shows each lattice site, each vacancy and each resting atom again and again with fresh
noise. `registration` finds how the specimen drifts and which frames share noise, `evidence` takes
the registered mean of the other frames, `context` says which they are and how far to reach.
Nothing of the frame itself is in it, so no blind spot is needed in it. Where something moved, the
standard error is large, and the network, which sees it, trusts the frame. Nothing is learnt here.

This file imports nothing: the configuration asks it how many images there are.
"""

# What a network sees of each detector, in this order: the frame itself, and four images of the
# others (`evidence`): the frame's share in the mean of all, the mean of the others, its standard
# error, and the mean of the nearest.
FRAME, SHARE, MEAN, ERROR, NEAR = range(5)
N_IMAGES = 4

# which frames are looked at: those before and after, those before only (as a stream does), or none
CONTEXTS = ("both", "past", "none")
