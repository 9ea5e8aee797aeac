"""The window and the constants of structural similarity, which is a score and a loss: Wang et al.,
IEEE Trans. Image Process. 13, 600 (2004), for images with a peak of 1.
"""

SIGMA, RADIUS = 1.5, 5  # of the Gaussian window of 11 x 11, pixels
C1, C2 = 0.01**2, 0.03**2
