"""Videos, frame folders and cameras: frames in, metric depth out, in bounded memory.

source.py         what frames come from, and what is known of it beforehand
file_source.py    any file that FFmpeg decodes
folder_source.py  pictures as frames
live_source.py    cameras, and files played at their own pace as if they were one
upright.py        a decoded frame → upright RGB
depths.py         frames → depth, several at once, in order, stabilised
colour_range.py   one range of colours for the whole video
painter.py        depth → frames for people, straight into the encoder's planes
muxer.py          a file being encoded, whole or not there
results.py        what a job writes: the picture video, metric video, metric folder
job.py            decode, infer and encode side by side
"""
