"""Furnished rooms, rendered fast with exact depth: walls and clutter drawn from a seed, furniture from model archives.

Pictures to pre-train a network before a few hundred real ones. One idea per file: `obj` and `catalogue` read
furniture, `textures` and `palette` paint surfaces, `mesh` holds triangles, `kinds`, `space`, `shell`, `clutter` and
`layout` build a room, `camera` looks into it, `raster` finds what each pixel sees, `surface` what that is made of,
`lighting` how bright it is, `photo` turns light into a picture, `render` does all of it for one frame, `collection`
for a folder of them.

Rasteriser and shading are compiled by Numba, which the extra `train` brings.
"""
