"""What every room uses: devices, structures from outside, files, process pools."""
