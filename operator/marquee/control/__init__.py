"""The operator. Data flows one way: observe -> decide -> act -> report; kopf is met in `app` alone.

==============  =====================================================================
``app``         the process: kopf, informers, leader election, probes, metrics
``observe``     what is: caches of resources and children, put together as a `Snapshot`
``decide``      what should happen: pure functions from a `Snapshot` to a `Plan`
``render``      what the children look like: pure functions from a model to manifests
``act``         carries out a `Plan`
``retraining``  makes the steps of retraining
``report``      writes the status, when it differs
``cluster``     everything that talks to the Kubernetes API
``runtime``     work queue and time
==============  =====================================================================
"""
