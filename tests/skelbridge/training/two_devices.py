"""Two logical CPU devices for the `replica_check_*.py` files. Import before anything computes."""

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def on_both(function, *shares):
    """What both replicas return; `shares` are pairs of arrays."""

    def of_replica(context):
        return tuple(tf.constant(pair[context.replica_id_in_sync_group]) for pair in shares)

    inputs = STRATEGY.experimental_distribute_values_from_function(of_replica)
    found = tf.function(lambda values: STRATEGY.run(function, values))(inputs)
    if not isinstance(found, tuple):
        return [value.numpy() for value in STRATEGY.experimental_local_results(found)]
    pairs = [STRATEGY.experimental_local_results(value) for value in found]
    return [[pair[i].numpy() for pair in pairs] for i in range(2)]
