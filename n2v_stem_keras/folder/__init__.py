"""The model folder: what passes between labs.

`folder` creates it and reads it with suspicion; `thresholds`, `record` and `export` are files in
it, `card` is the page that a person reads, `pretrained` finds the folders that came with the
package.
"""
