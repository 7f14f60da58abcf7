#!/bin/bash
set -e
tfenv install 1.9.2
tfenv use 1.9.2
helm plugin install https://git.example/helm-diff
helm repo add example https://charts.example.com
gcloud components install kubectl --quiet
az extension add --name devops
aws sts get-caller-identity
gcloud auth activate-service-account --key-file=/secrets/key.json
kubectl get nodes
terraform init
