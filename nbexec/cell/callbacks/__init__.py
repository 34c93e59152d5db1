"""Library calls that call a function of the user's for each row, element or group.

Here belongs what is known of such calls: which they are, with which arguments they will call the
function, and how a function that stands in for it answers with what workers have computed.
Everything that the library does with the results stays the library's own.
"""
