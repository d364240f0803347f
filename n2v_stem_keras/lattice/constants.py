"""Numbers that the filters of windows and of whole frames share, or differ in for a reason."""

# multiples of the background power below which a coefficient is dropped; the background of windows
# follows the spectrum more closely, so that noise stands out of it less
WINDOW_OVERSUBTRACTION, FRAME_OVERSUBTRACTION = 2.4, 2.5
SHARPNESS = 8  # 1: power subtraction, which weakens faint spots; large: a step
LONGEST_PERIOD = 32  # of a lattice [px]; the convolutions see longer ones by themselves
EULER_GAMMA = 0.5772157  # mean of -log of an exponentially distributed power of mean 1
TINY = 1e-12  # keeps logarithms of a blank frame finite; inputs are standardised

# Where is the lattice there? Slope of the frame against its lattice image: at the first number none
# of it is drawn, at the second all. On a perfect crystal at 7/6 dB (three reference frames) this
# slope is 1.8 in the median for windows, whose gate leaves images too faint, and 1.2 for frames;
# 5 % of the pixels lie below 0.86 and 0.57. So that of frames begins lower, or it would cut holes.
WINDOW_RAMP = (0.5, 1.0)
FRAME_RAMP = (0.25, 0.75)
LENIENCE = 0.5  # standard errors that are added to the slope of windows with plane waves
