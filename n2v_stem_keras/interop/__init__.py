"""Objects of other packages, taken and given by the model as they are; imported when they come."""
