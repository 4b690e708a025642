"""SMPL-family body models: from shape and pose parameters to joint positions, with numpy alone."""
