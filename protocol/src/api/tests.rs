//! Conditions, selectors, and the policies of the seed read by the lenient types.
