"""The variants of training, as in `pure_check_numbers`; these take long."""

from pure_check_numbers import trained


def check_pieces_and_averages():
    return trained(4, optimizer__accumulate=2, optimizer__average=0.9)


def check_output():
    return trained(4, "output")


def check_latent():
    return trained(4, "latent")


def check_hybrid():
    return trained(4, "hybrid")
