"""The training wing: needs PyTorch (`pip install onedepth[train]`) and makes model files.

Nothing on the ground floor imports it.
"""
