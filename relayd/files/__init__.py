"""Files that more than one room reads or writes in the same careful way."""
