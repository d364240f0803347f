"""Named sets of values of `N2VStemConfig`: what differs from the paper's, and why."""

# The laptop's choices were made by benchmarks/recipe.py. A random one of the 8 nearest neighbours
# looks like a pixel; the mean of a window does not, the network learns to trust it, and draws too
# strong a contrast where the pixel's own value stands in its place. In blurs as wide as they are,
# atoms stand out of the noise; without them, some initialisations need several times as long as
# others to begin with atoms, and end lower. The Wiener filter sees the lattice below the noise, in
# windows (and so crops) wide enough to hold hundreds of its cells; its image is four times as
# strong as it is, or the network learns from it twice as late. At twice the learning rate the one
# training that was tried (reference movies, 16/16 dB) was lost. Four times as many hidden pixels
# give the first epochs four times as many targets, with which the network learns what is wrong
# with the image of a strong lattice (benchmarks/gains.py).
PRESETS = {
    "paper": {},
    "laptop": {
        "unet_n_depth": 3,
        "unet_n_first": 16,
        "unet_blur_sigmas": (1.0, 2.0, 4.0),
        "unet_wiener_window": 256,
        "unet_lattice_waves": 16,
        "unet_lattice_scale": 4.0,
        "n2v_pitch": 4,
        "n2v_early_pitch": 2,
        "n2v_jitter": 0,
        "n2v_manipulator": "uniform_withoutCP",
        "n2v_neighborhood_radius": 1,
        "n2v_patch_shape": (256, 256),
        "train_epochs": 15,
        "train_steps_per_epoch": 100,
        "train_batch_size": 1,
        "train_learning_rate": 2e-3,
        "train_learning_rate_schedule": "cosine",
        "train_ema_momentum": 0.99,
        "train_augment": True,
        "train_frame_step": 1,
    },
    # small enough for frames as they come (benchmarks/live)
    "live": {
        "unet_stem": 4,
        "unet_n_depth": 1,
        "unet_n_first": 16,
        "unet_kern_size_first": 3,
        "unet_frame_filter": True,
        "n2v_pitch": 4,
        "n2v_jitter": 0,
        "n2v_manipulator": "uniform_withoutCP",
        "n2v_neighborhood_radius": 1,
        "n2v_patch_shape": (256, 256),
        "train_epochs": 30,
        "train_steps_per_epoch": 100,
        "train_batch_size": 2,
        "train_learning_rate": 2e-3,
        "train_learning_rate_schedule": "cosine",
        "train_ema_momentum": 0.99,
        "train_augment": True,
        "train_frame_step": 1,
    },
}
