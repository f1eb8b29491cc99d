"""A convolutional autoencoder with a structural loss: what it cannot reconstruct is unusual."""
