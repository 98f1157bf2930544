# Each line of a script as a line of a C string.
s/[\\"]/\\&/g
s/.*/"&\\n"/
