"""Looks at a relay, from inside and from outside, changes nothing, and says what to mend."""
