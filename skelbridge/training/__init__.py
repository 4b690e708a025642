"""Training: losses, schedules, trainer.

* `schedules`: learning rates and phases as functions of the step (light).
* `body_parts`: which joints stand for a 2D label (light).
* `losses`, `objectives`: what is minimised (import Keras and its backend).

Nothing is imported here, so that a configuration can be read without loading Keras.
"""
