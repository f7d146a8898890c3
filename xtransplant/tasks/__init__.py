"""From data sources to the instances of a run.

load            from a configuration to instances: open, draw, check, add shots, control
loaders         every data source by name
controls        every control: what replaces the source
sides           which prompt is the source and which the target, by direction
splits          sample and unseen instances, and the units of drawing
markers         prompts that lack an option's marker
shots           answered questions before the question
translations    machine translations on disk
lazy_instance   instances that are rendered only if a run uses them
hub, hub_task   rows of data sets on the hub; a task that reads them
authors, own, pocket    finished prompts: the authors' release, the user's file, the packaged world

The other files each read one data set of the hub.
"""
