"""Maps of many scenes, in this process or on Ray, and what is made from each and from all."""
